"""Insight: readings across rooms. It owns no tables and asks every room through its door.

Now: the explanation of an order's credit, line by line: who is credited, why each won, and what each earned so far.
"""
