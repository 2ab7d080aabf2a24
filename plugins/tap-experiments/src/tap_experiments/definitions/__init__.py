"""What an experiment is: its model and schema, and how its definition is read, checked, promised and begun."""
