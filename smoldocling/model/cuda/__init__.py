"""What a GPU does otherwise: recorded steps, streams, fused kernels, resizing. All of it runs on a CPU too, slowly."""
