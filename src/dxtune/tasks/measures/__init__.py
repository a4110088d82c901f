"""What is measured of the answers of each task: one module each, which `find_measures` of dxtune.tasks gives.

They stand apart from the tasks, so that a change in how is measured trains no model again.
"""
