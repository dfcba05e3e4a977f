"""Policies on trial beside the one in force: a shadow judges what it judges and never acts, a canary acts on a share."""
