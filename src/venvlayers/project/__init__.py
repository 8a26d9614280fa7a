"""The project in whose file a stack is declared: its sources, and the wheel of it that ships."""
