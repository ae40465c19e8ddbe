"""Insight: readings across modules. It owns no tables, writes nothing and asks every module through its public interface.

Now: the explanation of an order's credit, line by line: who is credited, why each won, and what each earned so far.
"""
