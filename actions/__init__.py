"""Rasa custom actions: slots in, one use case, message out. Kept flat, one module a skill."""
