"""Judge a file of records of any size: read, judge many at the same time, write in order, go on after a stop."""
