-- Bots were to be here. They have a file of their own (bot_schema), so nothing is created; 0013 removes
-- what an earlier form of this migration created.
SELECT 1;
