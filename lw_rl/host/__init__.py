"""Where a Lightweaver context is read and written, and the host's names are spelled.

The only package that touches the insides of a context: populations, radiation field, rates,
emission profiles, snapshots, a line's local physics, the emergent line. Change it when the host
changes, or when another part of a context has to be read or written. It imports the data packages
`lw_rl.atoms` and `lw_rl.atmospheres` and the modules at the top of `lw_rl` that import nothing.
"""
