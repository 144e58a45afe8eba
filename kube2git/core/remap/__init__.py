"""Rename namespaces with every reference followed. Pure: no clock, no input or output.

``references``, ``builtin`` and ``custom`` hold the catalogue as data, ``engine.remap`` applies
it, ``closure`` finds what selected objects need, ``transforms`` changes classes, images and
whatever a patch says.
"""
