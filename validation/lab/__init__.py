"""Laboratory: figures of models, methods and machines."""
