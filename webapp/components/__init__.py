"""Plots, tables and viewers: functions from rows and files to Bokeh figures and Panel objects."""
