"""Customers: people, how WeChat knows them, their login and their addresses.

A customer is one person; an identity is a name that WeChat gives to that person: an openid for each mini-program, a
unionid across them. Two logins at once with the same new openid make one customer, because the identity's primary key
decides. Phone numbers and addresses are sealed (`core.sealed`); other modules get masked names and never a phone number. No
event carries a name: events hold ids, and their readers ask here for masked names.
"""

from app.customers.errors import OpenidMissing
from app.customers.people import lock, masked_names, nickname, openid_of, recognise

__all__ = [
    "OpenidMissing",
    "lock",
    "masked_names",
    "nickname",
    "openid_of",
    "recognise",
]
