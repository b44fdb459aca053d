"""The common form of every bench's result: figures, tables, JSON, Markdown and PNG."""
