"""Frames and SQL."""

__all__: list[str] = []
