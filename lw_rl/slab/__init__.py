"""The isothermal slab of Panos and Milic (2025): the engine in which the paper is reproduced.

A formal solver of its own, shapes of the source function, and classical peers, without Lightweaver.
Change it when the paper's problem is to be stated differently. It imports the modules at the top of
`lw_rl` that import nothing.
"""
