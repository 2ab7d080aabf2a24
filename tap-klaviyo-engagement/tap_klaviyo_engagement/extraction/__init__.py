"""How the rows of a stream are read: cut in time, asked for page by page, decoded to records. No Singer in it."""
