"""Attribution: which pixels of an image a score hangs on."""
