"""Studies: many simulated runs of one question, their table, their pictures and a page.

No chain, no cryptography: what a study needs of the protocol is its arithmetic, which
`offchain.studies.federation` repeats.
"""
