"""The engine, which applies methods to elements. It is not meant to be imported by users."""
