"""The `outrider` command; the only place that knows all the other packages."""
