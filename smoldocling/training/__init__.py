"""Synthetic pages with their exact DocTags, and the training of networks that read them."""
