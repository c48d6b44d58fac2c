"""The version, in its only place: packaging, the command and the manifests read it from here."""

__version__ = "0.2.0"
