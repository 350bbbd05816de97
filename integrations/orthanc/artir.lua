-- SPDX-License-Identifier: GPL-3.0-or-later
--
-- Sends each CT and PET series to an artir node when it is stable. The node sends the derived series back by C-STORE or STOW-RS.
-- Install it in orthanc.json: "LuaScripts": [ "/etc/orthanc/artir.lua" ].

-- The node's name in "DicomModalities".
local NODE = 'artir'
local TAKEN = { CT = true, PT = true }

-- The node would skip its own results. Not sending them saves the way.
local function IsMadeByArtir(series)
   local instance = ParseJson(RestApiGet('/series/' .. series))['Instances'][1]
   local tags = ParseJson(RestApiGet('/instances/' .. instance .. '/simplified-tags'))
   for _, equipment in ipairs(tags['ContributingEquipmentSequence'] or {}) do
      if equipment['Manufacturer'] == 'artir' then
         return true
      end
   end
   return false
end

function OnStableSeries(series, tags, metadata)
   if TAKEN[tags['Modality']] and not IsMadeByArtir(series) then
      -- As a job of its own: SendToModality() takes single instances only.
      RestApiPost('/modalities/' .. NODE .. '/store', DumpJson({ Resources = { series }, Asynchronous = true }))
   end
end
