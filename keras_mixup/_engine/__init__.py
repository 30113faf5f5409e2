"""The engine: what puts an element through a method. Nothing here is imported by users."""
