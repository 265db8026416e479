"""Attachments in other stores, each once, and what pipelines have taken."""
