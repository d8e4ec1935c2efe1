"""spotbox: a cloud GPU workstation at Spot price."""

__version__ = "0.1.0"
