"""The network: tensors in, tensors out. Knows no pages, files of pages, or tags."""
