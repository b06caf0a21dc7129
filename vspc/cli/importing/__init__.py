"""`vspc import`: configurations of other console servers become ours."""
