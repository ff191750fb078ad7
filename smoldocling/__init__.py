"""PDF pages and page images to DocTags, Markdown, HTML and JSON."""
