"""The plugins that come with Outrider, one file each."""
