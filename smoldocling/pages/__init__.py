"""What a page is, before any model."""
