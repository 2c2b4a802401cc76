"""Models, encodings, data sets, selection rules and privacy accounting.

This package knows no cryptography and no protocol: real numbers and integers in, real numbers and
integers out. Sources: sections 3, 4, 5.1, 5.4, 5.12 and 9 of the protocol page.
"""
