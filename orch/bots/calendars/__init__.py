"""Calendars by ICS address: which meetings bots join, as events appear, move and are cancelled."""
