"""The audit: every public value of a task, rebuilt and checked by somebody who trusts nobody.

``reader`` collects what is public into a record; everything else is a pure function of the record.
Nothing here imports the roles or their protocol: what S must have done is computed a second time.
"""
