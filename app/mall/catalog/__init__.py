"""What is sold, where and for how much: categories, products, SKUs, places, stock."""
