"""What stands around the table: how a row is made (rows), and functions defined by others (composites, products)."""
