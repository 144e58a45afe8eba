"""Everything that proves kube2git's promises; nothing here is shipped."""
