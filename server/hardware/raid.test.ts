/** RAID configurations: what is taken, and what is refused in which words. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkRaidConfig, logicalDiskProperties } from './raid.ts'

const disk = { size_gb: 100, raid_level: '1' }

describe('a RAID configuration', () => {
  it('may say all that logical_disk_properties tell of', () => {
    const whole = {
      ...disk,
      volume_name: 'root',
      is_root_volume: true,
      share_physical_disks: false,
      disk_type: 'ssd',
      interface_type: 'sas',
      number_of_physical_disks: 2,
      controller: 'RAID.1',
      physical_disks: ['Disk.0', 'Disk.1'],
    }
    expect(Object.keys(whole).sort()).toEqual(Object.keys(logicalDiskProperties).sort())
    expect(() => checkRaidConfig({ logical_disks: [whole, { ...disk, size_gb: 'MAX' }] })).not.toThrow()
  })

  it.each([
    [{}, 'logical_disks must be a list'],
    [{ logical_disks: [disk], disks: [] }, 'disks is not known'],
    [{ logical_disks: [{ size_gb: 100 }] }, 'logical_disks[0] lacks raid_level'],
    [{ logical_disks: [{ raid_level: '1' }] }, 'logical_disks[0] lacks size_gb'],
    [
      { logical_disks: [disk, { ...disk, size_gb: 0 }] },
      'logical_disks[1].size_gb must be a whole number above 0, or "MAX"',
    ],
    [{ logical_disks: [{ ...disk, raid_level: '7' }] }, 'raid_level must be one of JBOD, 0, 1'],
    [{ logical_disks: [{ ...disk, disk_type: 'tape' }] }, 'disk_type must be one of hdd, ssd'],
    [{ logical_disks: [{ ...disk, is_root_volume: 'yes' }] }, 'is_root_volume must be true or false'],
    [{ logical_disks: [{ ...disk, colour: 'red' }] }, 'colour is not known; known are size_gb'],
    [{ logical_disks: [{ ...disk, physical_disks: 'a' }] }, 'physical_disks must be a list of names'],
    [
      {
        logical_disks: [
          { ...disk, is_root_volume: true },
          { ...disk, is_root_volume: true },
        ],
      },
      'only one logical disk can be the root volume',
    ],
  ])('%j is refused: %s', (config, words) => {
    expect(() => checkRaidConfig(config)).toThrow(words)
  })

  it('is taken or refused with an error of ours, whatever it holds', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.anything()), fc.anything(), (config, disks) => {
        for (const each of [config, { logical_disks: disks }, { logical_disks: [config, disks] }])
          try {
            checkRaidConfig(each)
          } catch (error) {
            expect(error).toMatchObject({ code: 'invalid' })
          }
      }),
    )
  })
})
