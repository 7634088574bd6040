"""GluonNLP's own arithmetic in NumPy, from source names and GluonNLP's code; not from our tables.

It is the independent side of the proof: a wrong row of a table cannot make it wrong too. The test
suite checks it against real MXNet + GluonNLP.
"""
