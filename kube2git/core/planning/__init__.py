"""What a replay would do, and in which order. Pure: the commit's objects and the live ones come in.

``planner`` makes a ``plan`` by a ``policy``: ``adapting`` brings the commit's objects across,
``leftovers``, ``stances`` and ``immutable`` judge differences, ``settling`` ends what a dry run
showed, ``guards`` refuse. ``graph`` orders by ``ranks``, ``edges`` and ``needs``.
"""
