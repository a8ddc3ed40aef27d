"""What varprobe concludes and stores: the table of all kinds of result, and one way to write and to read them."""
