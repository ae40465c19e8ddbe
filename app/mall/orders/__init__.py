"""Orders: from the quote to the refund."""
