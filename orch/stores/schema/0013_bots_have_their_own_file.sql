-- The tables of bots, which are in a file of their own. No version that had them here could start a bot, so
-- they are empty.

DROP VIEW IF EXISTS bot_correlation_effectiveness;
DROP VIEW IF EXISTS bot_translation_quality;
DROP VIEW IF EXISTS bot_speaker_statistics;
DROP VIEW IF EXISTS bot_session_overview;
DROP TABLE IF EXISTS bot_webhook_endpoints;
DROP TABLE IF EXISTS bot_webhook_attempts;
DROP TABLE IF EXISTS bot_webhook_deliveries;
DROP TABLE IF EXISTS bot_session_statistics;
DROP TABLE IF EXISTS bot_evidence_files;
DROP TABLE IF EXISTS bot_consent_log;
DROP TABLE IF EXISTS bot_events;
DROP TABLE IF EXISTS bot_participants;
DROP TABLE IF EXISTS bot_names_revised;
DROP TABLE IF EXISTS bot_correlations;
DROP TABLE IF EXISTS bot_translations;
DROP TABLE IF EXISTS bot_transcripts;
DROP TABLE IF EXISTS bot_audio_files;
DROP TABLE IF EXISTS bot_sessions;
DROP TABLE IF EXISTS bot_files_to_delete;
DROP TABLE IF EXISTS bot_deleted_sessions;
DROP TABLE IF EXISTS bot_lives;
