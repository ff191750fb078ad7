"""DocTags trees to Markdown, HTML, text and DoclingDocument JSON."""
