-- The shares of participants in the budgets of a session's history; the rule is orch.stores.history.spilled.
-- Prepended to the scripts that use it.
--
-- Beside the history (one entry a message) are two sorted sets: the index, "kind:sender:offset:size" for each
-- message, ordered by text; and the shares, "b:kind:sender" and "m:kind:sender" with the bytes and messages that
-- each participant has, each kind and sort in its own range of scores. The session's field "book" has nine
-- numbers: messages and bytes of each kind, the newest offsets that were dropped (gone: of captions, gone_others),
-- and how far the index is (indexed).
-- If they do not match the history (an older version wrote it, a full server dropped a part) they are rebuilt.
local SPAN = 17592186044416 -- 2^44: more than any sum
local KINDS = 3
local function whole(number)
  return string.format('%.0f', number)
end

-- An entry's kind and sender. For entries of an older version they follow from the start of the text.
local function share_of(header, frame)
  local is_read, fields = pcall(cjson.decode, header)
  if is_read and type(fields) == 'table' and type(fields[5]) == 'string' and
      (fields[4] == 0 or fields[4] == 1 or fields[4] == 2) then
    return fields[4], fields[5]
  end
  if string.sub(frame, 1, 25) == '{"type":"session_message"' then
    return 1, string.match(frame, '"sender":"([^"\\]*)"') or ''
  end
  local kind = string.sub(frame, 1, 29) == '{"type":"participant_renamed"' and 2 or 0
  return kind, string.match(frame, '"participant_id":"([^"\\]*)"') or ''
end

local function open_book(session, history, index, shares)
  local read = redis.call('HMGET', session, 'offset', 'first', 'active', 'epoch', 'book')
  local book = {session = session, history = history, index = index, shares = shares, n = {}, b = {},
    deltas = {}, dropped = 0, added = {}, removed = {}, gone = 0, gone_others = 0,
    offset = read[1], first = tonumber(read[2]), active = read[3], epoch = read[4]}
  local sums = {}
  for number in string.gmatch(read[5] or '', '%d+') do
    sums[#sums + 1] = tonumber(number)
  end
  for kind = 0, KINDS - 1 do
    book.n[kind], book.b[kind] = sums[kind * 2 + 1] or 0, sums[kind * 2 + 2] or 0
  end
  book.gone, book.gone_others, book.indexed = sums[7] or 0, sums[8] or 0, sums[9]
  return book
end

local function count_of(book)
  return book.n[0] + book.n[1] + book.n[2]
end

-- Whether the index has this number of messages, and is complete.
local function agrees(book, count)
  return count == count_of(book) and redis.call('ZCARD', book.index) == count
    and (count == 0 or redis.call('EXISTS', book.shares) == 1)
end

local function note(book, kind, sender, count, size)
  book.n[kind], book.b[kind] = book.n[kind] + count, book.b[kind] + size
  local name = kind .. ':' .. sender
  local delta = book.deltas[name] or {kind = kind, count = 0, size = 0}
  delta.count, delta.size = delta.count + count, delta.size + size
  book.deltas[name] = delta
end

local function member(kind, sender, offset, size)
  return string.format('%d:%s:%016.0f:%d', kind, sender, offset, size)
end

local function enter(book, offset, size, kind, sender)
  book.added[#book.added + 1] = 0
  book.added[#book.added + 1] = member(kind, sender, offset, size)
  note(book, kind, sender, 1, size)
end

local function lose(book, kind, offset)
  if kind == 0 then
    book.gone = math.max(book.gone, offset)
  else
    book.gone_others = math.max(book.gone_others, offset)
  end
end

local function in_parts(command, key, list)
  for from = 1, #list, 1000 do
    redis.call(command, key, unpack(list, from, math.min(from + 999, #list)))
  end
end

-- Writes pending changes to the sets, so that they can be queried.
local function flush(book)
  in_parts('ZADD', book.index, book.added)
  in_parts('ZREM', book.index, book.removed)
  book.added, book.removed = {}, {}
  for name, delta in pairs(book.deltas) do
    for place = 0, 1 do
      local base, change = (place * KINDS + delta.kind) * SPAN, place == 0 and delta.size or delta.count
      local held = (place == 0 and 'b:' or 'm:') .. name
      local score = tonumber(redis.call('ZINCRBY', book.shares, whole(change), held))
      if score < base then
        -- There was none, or it holds nothing any more.
        score = score + base
        if change > 0 then
          redis.call('ZADD', book.shares, whole(score), held)
        end
      end
      -- What holds no message any more holds no bytes either.
      if score <= base then
        redis.call('ZREM', book.shares, held)
      end
    end
  end
  book.deltas = {}
end

-- Reads the history after an offset into the index; returns where its last run without a hole begins and ends.
local function enter_all(book, after)
  local from, expected, run, strange = whole(after + 1), after + 1, after + 1, {}
  repeat
    local entries = redis.call('XRANGE', book.history, from, '+', 'COUNT', 256)
    for _, entry in ipairs(entries) do
      local number = tonumber(string.match(entry[1], '^(%d+)%-0$') or '')
      if number and #entry[2] == 4 then
        if number ~= expected then
          run = number
        end
        expected = number + 1
        enter(book, number, #entry[2][4], share_of(entry[2][2], entry[2][4]))
      else
        strange[#strange + 1] = entry[1]
      end
    end
    flush(book)
    from = #entries > 0 and '(' .. entries[#entries][1]
  until #entries < 256
  in_parts('XDEL', book.history, strange)
  return run, expected - 1
end

-- Rebuilds the index. What may be missing in the history counts as dropped.
local function make_book(book, offset)
  redis.call('UNLINK', book.index, book.shares)
  for kind = 0, KINDS - 1 do
    book.n[kind], book.b[kind] = 0, 0
  end
  local run, last = enter_all(book, 0)
  if last ~= offset then
    run = offset + 1
  end
  book.gone, book.gone_others = math.max(book.gone, run - 1), math.max(book.gone_others, run - 1)
  book.is_remade = true
  local left = redis.call('PTTL', book.session)
  if left > 0 then
    redis.call('PEXPIRE', book.index, left)
    redis.call('PEXPIRE', book.shares, left)
  end
end

-- Updates the index up to an offset. fresh: the messages just added, {offset, size, kind, sender}.
local function follow(book, before, offset, fresh)
  local length = redis.call('XLEN', book.history)
  if book.indexed == before and agrees(book, length - #fresh) then
    for _, each in ipairs(fresh) do
      enter(book, unpack(each))
    end
  elseif book.indexed and book.indexed < before and agrees(book, length - #fresh - (before - book.indexed)) then
    -- A worker of the former version has added some: it writes no index.
    enter_all(book, book.indexed)
  else
    make_book(book, offset)
  end
  book.indexed = offset
  flush(book)
end

-- Drops messages of one share: their members of the index, in order.
local function drop(book, kind, sender, members, is_loss)
  local ids, size, last = {}, 0, 0
  for _, each in ipairs(members) do
    local offset, bytes = string.match(each, ':(%d+):(%d+)$')
    last, size = tonumber(offset), size + tonumber(bytes)
    ids[#ids + 1] = whole(last) .. '-0'
    book.removed[#book.removed + 1] = each
  end
  in_parts('XDEL', book.history, ids)
  note(book, kind, sender, -#members, -size)
  book.dropped = book.dropped + #members
  if is_loss then
    lose(book, kind, last)
  end
end

local function members_of(book, kind, sender, count)
  local name = kind .. ':' .. sender
  return redis.call('ZRANGEBYLEX', book.index, '[' .. name .. ':', '(' .. name .. ';', 'LIMIT', 0, count)
end

-- Only the newest name of each of these participants stays; a replaced name is no loss.
local function supersede(book, senders)
  for sender in pairs(senders) do
    local members = members_of(book, 2, sender, -1)
    if #members > 1 then
      table.remove(members)
      drop(book, 2, sender, members, false)
    end
  end
end

-- Drops messages over the budgets, the oldest of the largest share first, at most `most`.
local function spill(book, budgets, most)
  for kind = 0, KINDS - 1 do
    local messages, bytes = budgets[kind * 2 + 1], budgets[kind * 2 + 2]
    while (book.b[kind] > bytes or book.n[kind] > messages) and book.dropped < most do
      local by_bytes = book.b[kind] > bytes
      local base = ((by_bytes and 0 or KINDS) + kind) * SPAN
      flush(book)
      local fullest = redis.call('ZREVRANGEBYSCORE', book.shares, whole(base + SPAN - 1), whole(base),
        'WITHSCORES', 'LIMIT', 0, 2)
      if #fullest == 0 then
        break
      end
      local sender = string.sub(fullest[1], 5)
      local held = tonumber(fullest[2]) - base
      local next_held = fullest[4] and tonumber(fullest[4]) - base
      local next_sender = fullest[3] and string.sub(fullest[3], 5)
      local count, size, gone = book.n[kind], book.b[kind], {}
      for _, each in ipairs(members_of(book, kind, sender, 128)) do
        local is_pressed = by_bytes and size > bytes or not by_bytes and count > messages
        if not is_pressed or next_held and (held < next_held or held == next_held and sender < next_sender) then
          break
        end
        local one = tonumber(string.match(each, '(%d+)$'))
        gone[#gone + 1] = each
        count, size = count - 1, size - one
        held = held - (by_bytes and one or 1)
      end
      if #gone == 0 then
        break
      end
      drop(book, kind, sender, gone, true)
    end
  end
  flush(book)
end

-- Drops messages that are too old, by the rule of orch.stores.history.too_old.
local function age(book, seconds, now, most)
  local cutoff, step = now - seconds, 8
  while book.dropped < most do
    local oldest = redis.call('XRANGE', book.history, '-', '+', 'COUNT', step)
    local gone = 0
    for place, entry in ipairs(oldest) do
      -- An entry that is none of ours goes as one that is too old.
      local at = tonumber(string.match(entry[2][2] or '', '^%[([^,%]]+)') or '') or -math.huge
      if at < cutoff then
        gone = place
      end
    end
    for place = 1, gone do
      local id, values = oldest[place][1], oldest[place][2]
      local offset, frame = tonumber(string.match(id, '^%d+')), values[4] or ''
      local kind, sender = share_of(values[2] or '', frame)
      book.removed[#book.removed + 1] = member(kind, sender, offset, #frame)
      note(book, kind, sender, -1, -#frame)
      lose(book, kind, offset)
    end
    if gone > 0 then
      local last = tonumber(string.match(oldest[gone][1], '^%d+'))
      redis.call('XTRIM', book.history, 'MINID', '=', whole(last + 1) .. '-0')
      book.dropped = book.dropped + gone
      flush(book)
    end
    if gone < #oldest or #oldest == 0 then
      break
    end
    step = math.min(step * 2, 256)
  end
end

-- Stores the totals, and the oldest offset of the history.
local function close_book(book, offset, active)
  flush(book)
  local first = book.first
  if first == nil or book.dropped > 0 or book.is_remade then
    local oldest = redis.call('XRANGE', book.history, '-', '+', 'COUNT', 1)
    first = oldest[1] and tonumber(string.match(oldest[1][1], '^%d+')) or offset + 1
  end
  local n, b = book.n, book.b
  redis.call('HSET', book.session, 'active', active, 'offset', whole(offset), 'first', whole(first),
    'bytes', whole(b[0] + b[1] + b[2]), 'book', string.format('%.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f',
      n[0], b[0], n[1], b[1], n[2], b[2], book.gone, book.gone_others, book.indexed))
end
