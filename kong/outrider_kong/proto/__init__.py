"""Kong's wire: the messages and fields we use, under names of our own.

Only field numbers and types matter to Kong. After a change to the .proto file: make proto.
"""
