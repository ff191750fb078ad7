"""docling-core loads the JSON, and its own exporters run on the object, whatever the tree was."""

from docling_core.types.doc import DoclingDocument
from hypothesis import given, settings
from trees import documents

import converters


@settings(max_examples=150, deadline=None)
@given(documents())
def test_docling_takes_any_tree(document):
    """Validation and all three exporters; a crash here is a crash in every program downstream."""
    docling = DoclingDocument.model_validate_json(converters.to_json(document))
    docling.export_to_markdown()
    docling.export_to_html()
    docling.export_to_doctags()
    docling.export_to_text()
    assert docling == converters.to_docling(document)
