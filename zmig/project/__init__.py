"""A manifest on disk, with the manifests it includes and the files they name."""
