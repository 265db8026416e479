"""Attachments chosen by rules, and their way into other stores."""
