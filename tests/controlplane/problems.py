"""What can go wrong with a test control plane, as exceptions whose text a person can act on."""


class ControlPlaneError(Exception):
    """A control plane could not be built, started or reached; the text says what to do."""


class PortTakenError(ControlPlaneError):
    """Another process took a port between the choice and its use; starting again helps."""
