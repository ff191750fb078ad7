"""A server around one converter: documents in, every format out; and chat completions as OpenAI's are.

Joins FastAPI, uvicorn and `smoldocling.pipeline`. Nothing outside of this package knows of HTTP servers.
"""
